import { LANES } from "./settings";

const waiting: (() => void)[] = [];
let free = LANES;

/** Does something that sends a body, once there is a lane for it: so many at once, of all files, in the order they ask. */
export async function inLane<T>(use: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await use();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}
