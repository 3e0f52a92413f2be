/** A run of work, whose counts can be read at any time. */
export interface Run<Result, Counts> {
  readonly results: AsyncGenerator<Result, void>
  readonly counts: () => Counts
}

/** One run for all who ask: iterated for its results, or awaited for the counts. It begins with the first that is asked of it. */
export interface OneRun<Result, Counts> extends AsyncIterableIterator<Result>, Promise<Counts> {}

/** Awaited alone, it goes on by itself; while somebody iterates it, it goes as they do. */
export function asOneRun<Result, Counts>(begin: () => Promise<Run<Result, Counts>>): OneRun<Result, Counts> {
  const end = settledLater<Counts>()
  let beginning: Promise<Run<Result, Counts>> | null = null

  function run(): Promise<Run<Result, Counts>> {
    beginning ??= begin()
    return beginning
  }

  /** One step of the run; the last one settles the promise too. */
  async function step(
    take: (results: AsyncGenerator<Result, void>) => Promise<IteratorResult<Result, void>>,
  ): Promise<IteratorResult<Result, void>> {
    try {
      const { results, counts } = await run()
      const taken = await take(results)
      if (taken.done === true) end.resolve(counts())
      return taken
    } catch (error) {
      end.reject(error)
      throw error
    }
  }

  async function goOn(): Promise<void> {
    while ((await step(results => results.next())).done !== true);
  }

  function whole(): Promise<Counts> {
    // Later, since whoever asks for the counts first may iterate next, and would get what is left.
    queueMicrotask(() => {
      if (beginning === null) goOn().catch(() => undefined) // it is what the promise is rejected with
    })
    return end.promise
  }

  const self: OneRun<Result, Counts> = {
    next: () => step(results => results.next()),
    return: () => step(results => results.return()),
    [Symbol.asyncIterator]: () => self,
    [Symbol.toStringTag]: "Promise",
    // biome-ignore lint/suspicious/noThenProperty: a promise that begins no work before somebody waits for it.
    then: (done, failed) => whole().then(done, failed),
    catch: failed => whole().catch(failed),
    finally: settled => whole().finally(settled),
  }
  return self
}

interface SettledLater<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: unknown) => void
}

/** Whoever iterates hears of a failure there, so that nobody need wait for the promise. */
function settledLater<Value>(): SettledLater<Value> {
  let resolve: (value: Value) => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<Value>((done, failed) => {
    resolve = done
    reject = failed
  })
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
