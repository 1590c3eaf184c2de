/** Colour scales that people with any colour vision can read: brightness changes along each of them in one direction. */

export type Colour = readonly [red: number, green: number, blue: number];

/** From dark blue over grey to yellow, at equal steps: the scale "cividis" (Nuñez, Anderton, Renslow 2018). */
const cividis: readonly Colour[] = [
  [0, 34, 78],
  [53, 69, 108],
  [102, 105, 112],
  [148, 142, 119],
  [200, 184, 102],
  [254, 232, 56],
];

function between(a: Colour, b: Colour, share: number): Colour {
  return [
    Math.round(a[0] + (b[0] - a[0]) * share),
    Math.round(a[1] + (b[1] - a[1]) * share),
    Math.round(a[2] + (b[2] - a[2]) * share),
  ];
}

/** @param share 0 to 1 */
export function sequentialColour(share: number): Colour {
  const at = Math.max(0, Math.min(1, share)) * (cividis.length - 1);
  const index = Math.min(cividis.length - 2, Math.floor(at));
  return between(cividis[index] as Colour, cividis[index + 1] as Colour, at - index);
}

interface Diverging {
  readonly negative: Colour;
  readonly zero: Colour;
  readonly positive: Colour;
}

const diverging: Readonly<Record<"light" | "dark", Diverging>> = {
  light: { negative: [5, 72, 150], zero: [255, 255, 255], positive: [170, 66, 0] },
  dark: { negative: [122, 190, 255], zero: [20, 23, 28], positive: [255, 172, 92] },
};

/** What stands for NaN and infinities. */
export const notFiniteColour: Colour = [214, 20, 150];

/** @param share −1 to 1; 0 is the colour of the paper */
export function divergingColour(share: number, theme: "light" | "dark"): Colour {
  if (!Number.isFinite(share)) return notFiniteColour;
  const { negative, zero, positive } = diverging[theme];
  return between(zero, share < 0 ? negative : positive, Math.min(1, Math.abs(share)));
}

export function cssColour([red, green, blue]: Colour): string {
  return `rgb(${String(red)} ${String(green)} ${String(blue)})`;
}

/** Black or white, whichever is easier to read on the colour (WCAG 2.2, relative luminance). */
export function inkOn(colour: Colour): "black" | "white" {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? "black" : "white";
}

/** As a canvas has its pixels. */
export function paint(pixels: Uint8ClampedArray, at: number, [red, green, blue]: Colour): void {
  pixels[at] = red;
  pixels[at + 1] = green;
  pixels[at + 2] = blue;
  pixels[at + 3] = 255;
}
