/** Text fields that grow with their text. */

/** The largest height, in pixels. The text then scrolls. */
const MAX_HEIGHT = 240;

/** Make a field as high as its text, once it is on the page. */
export function fitHeight(field: HTMLTextAreaElement): void {
  field.style.height = 'auto';
  if (field.scrollHeight === 0) {
    return;
  }
  const border = field.offsetHeight - field.clientHeight;
  field.style.height = `${Math.min(field.scrollHeight + border, MAX_HEIGHT)}px`;
}

/** Whether a key is Enter that does not begin a new line or end the composition of a character. */
export function isEnter(event: KeyboardEvent): boolean {
  // An input method ends its composition with Enter. Safari reports that by the key code only.
  const { keyCode } = event as { readonly keyCode: number };
  const isComposing = event.isComposing || keyCode === 229;
  return event.key === 'Enter' && !event.shiftKey && !isComposing;
}
