/** `npm run browser`: ends with 0 where a Chromium is at hand or could be fetched, else with 1 and why not. */
import { obtainChromium } from "./chromium.ts"

try {
  const { executablePath } = await obtainChromium()
  console.log(`Chromium: ${executablePath}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
