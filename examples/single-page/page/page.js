import Keycloak from "keycloak-js"

const settings = await fetch("/settings.json")
const keycloak = new Keycloak(await settings.json())

// Code flow with PKCE, state and nonce. The tokens are in this page's memory, and nowhere else.
await keycloak.init({ onLoad: "login-required", pkceMethod: "S256", checkLoginIframe: false })

document.querySelector("#ask").onclick = showMe
document.querySelector("#log-in").onclick = () => keycloak.login()
document.querySelector("#log-out").onclick = () => keycloak.logout()
await showMe()

async function showMe() {
  const answer = await ask("/me")
  document.querySelector("[role=status]").textContent = answer.ok ? greeting(await answer.json()) : reason(answer)
}

function greeting({ username, email }) {
  return `You are ${username}, ${email}.`
}

function reason({ status }) {
  return status === 401 ? "Your session has ended." : `Try again later (${status}).`
}

/** A token that has ended is no reason to stop here: the API says so. */
async function ask(path) {
  await keycloak.updateToken(10).catch(() => {}) // if it has less than 10 s left
  return fetch(path, { headers: { authorization: `Bearer ${keycloak.token}` } })
}
