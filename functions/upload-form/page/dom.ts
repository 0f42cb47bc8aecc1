/** The element of this id, which index.html has. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element with the id "${id}".`);
  return found;
}

/** The only element of this class in another. */
export function within(parent: ParentNode, name: string): HTMLElement {
  const found = parent.querySelector<HTMLElement>(`.${name}`);
  if (!found) throw new Error(`index.html has no element of the class "${name}" here.`);
  return found;
}

export function on<E extends keyof WindowEventMap>(
  target: EventTarget,
  event: E,
  use: (event: WindowEventMap[E]) => void,
): void {
  target.addEventListener(event, use as EventListener);
}

/** Sets a text only where it is another, so that nothing is drawn, or read out, for nothing. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function setHidden(target: HTMLElement, hidden: boolean): void {
  if (target.hidden !== hidden) target.hidden = hidden;
}

export const setProgress = (target: HTMLElement, done: number, all: number): void => {
  (target as HTMLProgressElement).value = all > 0 ? done / all : 0;
};
