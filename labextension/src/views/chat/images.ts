/** Images for a question: read from files, and made smaller where they are huge. */

import { trans } from '../i18n.js';
import type { Attachment } from './attachment.js';

/** The largest side of an image that is sent, in pixels. Models see less. */
const MAX_SIDE = 2048;

/** The most bytes of a file that is sent as it is. The conversation is saved with its images. */
const MAX_BYTES = 1_000_000;

/** The most bytes of a file that is read. */
const MAX_FILE = 50_000_000;

const QUALITY = 0.9;

/** Types that all models' servers read. */
const SENT_TYPES = ['image/png', 'image/jpeg'];

/** The most images in a question, so that a conversation stays a size that can be saved. */
export const MAX_IMAGES = 8;

/** Whether showing an image sends no request. */
export function isSafeImage(url: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp);base64,[\w+/=]*$/.test(url);
}

/** Return the images among the files that were pasted or dropped. */
export function imageFiles(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter(({ type }) => type.startsWith('image/'));
}

/** Return the size of an image that is made to fit into `MAX_SIDE`. */
export function fittingSize(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height, 1));
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale))
  };
}

/** Return an image to attach. Rejects with a reason if the file cannot be read as an image. */
export async function imageFrom(file: File): Promise<Attachment> {
  const title = file.name || trans.__('Pasted image');
  if (file.size > MAX_FILE) {
    throw new Error(trans.__('%1 is too large. Attach an image of at most 50 MB.', title));
  }
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(trans.__('%1 is not an image that this browser can read.', title));
  });
  try {
    const { width, height } = fittingSize(bitmap.width, bitmap.height);
    const isSmall = width === bitmap.width && height === bitmap.height;
    const isSent = isSmall && file.size <= MAX_BYTES && SENT_TYPES.includes(file.type);
    const blob = isSent ? file : await drawn(bitmap, width, height);
    const cut = isSmall
      ? ''
      : trans.__('Scaled down from %1 to %2 pixels.', sizeOf(bitmap), sizeOf({ width, height }));
    const image = await dataUrl(blob);
    return { kind: 'image', title, text: '', language: '', image, cut };
  } finally {
    bitmap.close();
  }
}

function sizeOf({ width, height }: { readonly width: number; readonly height: number }): string {
  return `${width} × ${height}`;
}

/** Return the image as JPEG, on white where it is transparent. */
async function drawn(bitmap: ImageBitmap, width: number, height: number): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context !== null) {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      blob => {
        if (blob === null) {
          reject(new Error(trans.__('The image is too large for this browser.')));
        } else {
          resolve(blob);
        }
      },
      'image/jpeg',
      QUALITY
    );
  });
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string); // it was read as a URL
    reader.onerror = () => reject(reader.error ?? new Error(trans.__('The file cannot be read.')));
    reader.readAsDataURL(blob);
  });
}
