import { formatTable } from "./table.ts"
import type { Column } from "./verification.ts"

/** One row for each contestant; in a cell the median, and what it is ÷ the bare signature check in the same rounds. */
export function columnsTable(columns: readonly Column[]): string {
  const names = new Set(columns.flatMap(({ results }) => results.map(({ name }) => name)))
  const rows = [...names].map(name => [name, ...columns.map(column => cell(column, name))])
  return formatTable(["µs of the main thread (÷ base, lowest–highest)", ...columns.map(({ title }) => title)], rows)
}

function cell({ results }: Column, name: string): string {
  const result = results.find(one => one.name === name)
  if (result === undefined) return "–"
  const { main, ratio } = result
  if (result === results[0]) return main.median.toFixed(1)
  const digits = ratio.median < 0.2 ? 3 : 2
  const [median, lowest, highest] = [ratio.median, ratio.lowest, ratio.highest].map(one => one.toFixed(digits))
  return `${main.median.toFixed(main.median < 10 ? 2 : 1)} (${median}, ${lowest}–${highest})`
}
