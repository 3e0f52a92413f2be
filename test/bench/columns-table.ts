import type { Result } from "./rounds.ts"
import { formatTable } from "./table.ts"
import type { Column } from "./verification.ts"

/**
 * One row for each contestant; in a cell the median, and what it is ÷ the bare signature check in the same rounds. The
 * time of all threads comes in a column of its own, for one of them.
 */
export function columnsTable(columns: readonly Column[], allThreads?: Column): string {
  const names = new Set(columns.flatMap(({ results }) => results.map(({ name }) => name)))
  const titles = columns.map(({ title }) => title)
  const rows = [...names].map(name => [name, ...columns.map(column => cell(column, name))])
  if (allThreads !== undefined) {
    titles.push(`${allThreads.title}, all threads`)
    for (const row of rows) row.push(resultOf(allThreads, row[0])?.all.median.toFixed(1) ?? "–")
  }
  return formatTable(["µs of the main thread (÷ base, lowest–highest)", ...titles], rows)
}

function resultOf({ results }: Column, name: string | undefined): Result | undefined {
  return results.find(one => one.name === name)
}

function cell(column: Column, name: string): string {
  const result = resultOf(column, name)
  if (result === undefined) return "–"
  const { main, ratio } = result
  if (result === column.results[0]) return main.median.toFixed(1)
  const digits = ratio.median < 0.2 ? 3 : 2
  const [median, lowest, highest] = [ratio.median, ratio.lowest, ratio.highest].map(one => one.toFixed(digits))
  return `${main.median.toFixed(main.median < 10 ? 2 : 1)} (${median}, ${lowest}–${highest})`
}
