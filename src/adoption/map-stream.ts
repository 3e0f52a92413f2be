/** How a stream is worked through. */
interface StreamWork<Item, Result> {
  /** How many items are at work at once. */
  readonly limit: number
  readonly signal: AbortSignal | undefined
  readonly work: (item: Item) => Promise<Result>
}

/** Something that has happened, in the order in which it did. */
type Event<Item, Result> =
  | { readonly is: "item"; readonly next: IteratorResult<Item> }
  | { readonly is: "result"; readonly value: Result }
  | { readonly is: "failure"; readonly error: unknown; readonly of: "source" | "work" | "signal" }

/**
 * The results of work on each item of a list or stream, as they come. An item is taken when there is room for one, so a source
 * of any length takes up no more memory than the items at work.
 *
 * After a failure, the signal's included, no item is taken any more. What has begun is finished and its results are handed out,
 * and then the failure is thrown.
 */
export async function* mapStream<Item, Result>(
  source: Iterable<Item> | AsyncIterable<Item>,
  { limit, signal, work }: StreamWork<Item, Result>,
): AsyncGenerator<Result, void> {
  signal?.throwIfAborted()
  const items = iteratorOf(source)
  const events = createEvents<Event<Item, Result>>()
  const atWork = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | null = null
  let isTaking = false
  let isOver = false

  function begin(item: Item): void {
    const done = work(item).then(
      value => events.add({ is: "result", value }),
      (error: unknown) => events.add({ is: "failure", error, of: "work" }),
    )
    atWork.add(done)
    done.finally(() => atWork.delete(done))
  }

  async function take(): Promise<void> {
    try {
      events.add({ is: "item", next: await items.next() })
    } catch (error) {
      events.add({ is: "failure", error, of: "source" })
    }
  }

  const abort = () => events.add({ is: "failure", error: signal?.reason, of: "signal" })
  signal?.addEventListener("abort", abort, { once: true })
  try {
    for (let underWay = 0; ; ) {
      const mayTake = failure === null && !isOver
      if (mayTake && !isTaking && underWay < limit) {
        isTaking = true
        void take()
      }
      if (!mayTake && underWay === 0) break
      const event = await events.next()
      if (event.is === "item") {
        isTaking = false
        if (event.next.done === true) isOver = true
        else if (failure === null) {
          underWay += 1
          begin(event.next.value)
        }
      } else if (event.is === "result") {
        underWay -= 1
        yield event.value
      } else {
        failure ??= event
        if (event.of === "work") underWay -= 1
        if (event.of === "source") isOver = true
      }
    }
    if (failure !== null) throw failure.error
  } finally {
    signal?.removeEventListener("abort", abort)
    await Promise.all(atWork)
    // Not waited for: a source that waits for its own next item would never answer.
    if (!isOver) void closed(items)
  }
}

/** What it throws then would hide what the run has ended with. */
async function closed(items: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  try {
    await items.return?.()
  } catch {
    // Nobody gets anything of it any more.
  }
}

function iteratorOf<Item>(source: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** What has happened and nobody has read yet. A race of promises would keep every result as long as its slowest one. */
function createEvents<Event>(): { readonly add: (event: Event) => void; readonly next: () => Promise<Event> } {
  const waiting: Event[] = []
  let wake: (() => void) | null = null
  return {
    add(event) {
      waiting.push(event)
      wake?.()
    },
    async next() {
      for (;;) {
        const event = waiting.shift()
        if (event !== undefined) return event
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}
