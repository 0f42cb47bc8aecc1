import { setMaxListeners } from "node:events";
import { throwIfAborted } from "../errors";
import { unlessAborted } from "../retry";

/**
 * Works on items with so many workers at once. After a failure no further item is begun, what is under way is told
 * to end and awaited, and the first failure is thrown. An item that has not come by then is not waited for.
 *
 * @throws TweedleError Interrupted
 */
export async function withWorkers<T>(
  count: number,
  items: AsyncIterable<T> | Iterable<T>,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const failed = new AbortController();
  const signal = outer ? AbortSignal.any([outer, failed.signal]) : failed.signal;
  // Each request that is under way listens to it.
  setMaxListeners(Infinity, signal);
  let turn: Promise<unknown> = Promise.resolve();
  // One at a time: the next piece of a stream begins where the last one ended.
  const next = (): Promise<IteratorResult<T>> => {
    const result = turn.then(async () => {
      throwIfAborted(signal);
      return await unlessAborted(Promise.resolve(iterator.next()), signal);
    });
    turn = result.catch(() => undefined);
    return result;
  };
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    try {
      for (let item = await next(); !item.done; item = await next()) await work(item.value, signal);
    } catch (error) {
      failure ??= { error };
      failed.abort();
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  if (failure) throw failure.error;
}
