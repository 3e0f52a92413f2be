/** Variables as lines for an `.env` file, which `node --env-file` and dotenv read alike. */
export function envLines(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => lineOf(name, value))
    .join("\n")
}

// Blanks at the edges, `#` and quotes mean something without quotes. Backslashes do so in double quotes.
const plain = /^[\w.:/@+=~-]+$/

function lineOf(name: string, value: string): string {
  if (plain.test(value)) return `${name}=${value}`
  // A secret that somebody typed into Keycloak may hold anything.
  if (/\p{Cc}/u.test(value)) return `# ${name} has line breaks or control characters in it, and stands in no line.`
  const quote = ["'", '"', "`"].find(one => !value.includes(one) && !(one === '"' && value.includes("\\")))
  // Neither reader knows a way to write a quote inside of the same quotes.
  if (quote === undefined) return `# ${name} has every kind of quotes in it, and stands in no line.`
  return `${name}=${quote}${value}${quote}`
}
