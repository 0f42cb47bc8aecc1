import { Failures } from "../../client/cli/failures";

test("what is handled in the end has not failed", () => {
  const failures = new Failures();
  for (const id of ["a", "b", "a"]) failures.add(id);
  failures.delete("a");
  expect(failures.any).toBe(true);
  failures.delete("b");
  expect(failures.any).toBe(false);
});

test("more than it remembers are failures for good, and take no memory", () => {
  const failures = new Failures(2);
  for (const id of ["a", "b", "b"]) failures.add(id);
  for (const id of ["a", "b"]) failures.delete(id);
  expect(failures.any).toBe(false);
  const ids = Array.from({ length: 100 }, (_, index) => String(index));
  for (const id of ids) failures.add(id);
  for (const id of ids) failures.delete(id);
  expect(failures.any).toBe(true);
});
