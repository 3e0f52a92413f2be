import { readFileSync } from "node:fs"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import { getCallSites } from "node:util"
import type { Memory } from "./memories.ts"

/** What the soak sees of the library's memories. */
export interface WatchedMemories {
  /** Notes how full each one is now; the largest that any one of its kind has been. */
  readonly look: () => void
  readonly reached: (memory: Memory) => number
}

type Collection = Map<unknown, unknown> | Set<unknown>

/**
 * Replaces `Map` and `Set` by ones that note where in `sources` they are made. To be called before the library is loaded.
 */
export function watchMemories(sources: string, memories: readonly Memory[]): WatchedMemories {
  const byPlace = new Map<string, Memory | undefined>()
  const alive = new Map<Memory, Set<WeakRef<Collection>>>()
  const most = new Map<Memory, number>()
  const PlainMap = Map
  const PlainSet = Set

  function memoryAt(script: string, line: number): Memory | undefined {
    const place = `${script}:${line}`
    if (!byPlace.has(place)) byPlace.set(place, find(script, line))
    return byPlace.get(place)
  }

  function find(script: string, line: number): Memory | undefined {
    if (!script.startsWith("file:")) return undefined
    const file = relative(sources, fileURLToPath(script))
    if (file.startsWith("..")) return undefined
    const text = readFileSync(fileURLToPath(script), "utf8").split("\n")[line - 1] ?? ""
    return memories.find(memory => memory.file === file && new RegExp(`\\b${memory.name}\\b`).test(text))
  }

  function tell(memory: Memory, size: number): void {
    most.set(memory, Math.max(most.get(memory) ?? 0, size))
  }

  function note(collection: Collection, isPlain: boolean): void {
    // This function, the constructor that calls it, and who calls that one.
    const [, , maker, next] = getCallSites(4)
    const from = isPlain ? maker : next
    const memory = from && memoryAt(from.scriptName, from.lineNumber)
    if (memory === undefined) return
    const all = alive.get(memory) ?? new PlainSet()
    alive.set(memory, all.add(new WeakRef(collection)))
    if (!isPlain) return
    tell(memory, collection.size)
    tellSize(collection, size => tell(memory, size))
  }

  globalThis.Map = class WatchedMap<Key, Value> extends PlainMap<Key, Value> {
    constructor(entries?: Iterable<readonly [Key, Value]> | null) {
      super(entries)
      note(this as Collection, new.target === globalThis.Map)
    }
  } as MapConstructor
  globalThis.Set = class WatchedSet<Value> extends PlainSet<Value> {
    constructor(values?: Iterable<Value> | null) {
      super(values)
      note(this as Collection, new.target === globalThis.Set)
    }
  } as SetConstructor

  return {
    look() {
      for (const [memory, refs] of alive) {
        for (const ref of refs) {
          const size = ref.deref()?.size
          if (size === undefined) refs.delete(ref)
          else tell(memory, size)
        }
      }
    },
    reached: memory => most.get(memory) ?? 0,
  }
}

/** Between two looks a collection may have been fuller. */
function tellSize(collection: Collection, tell: (size: number) => void): void {
  const name = collection instanceof globalThis.Map ? "set" : "add"
  const before = (collection as unknown as Record<string, (...values: unknown[]) => unknown>)[name]
  Object.defineProperty(collection, name, {
    value(...values: unknown[]) {
      const result = before?.apply(collection, values)
      tell(collection.size)
      return result
    },
  })
}
