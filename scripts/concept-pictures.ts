/** `pnpm run concept-pictures` draws the pictures of docs/concepts, each for light and dark pages. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const folder: string = join(resolve(import.meta.dirname, ".."), "docs/pictures/concepts");

interface Palette {
  readonly text: string;
  readonly line: string;
  readonly stored: string;
  readonly error: string;
}

const palettes: Readonly<Record<"light" | "dark", Palette>> = {
  light: { text: "#2c2c33", line: "#8a8a94", stored: "#3451b2", error: "#b34700" },
  dark: { text: "#e6e6ea", line: "#85858f", stored: "#a8b1ff", error: "#ffb066" },
};

const WIDTH = 480;
/** Left and right end of number lines. */
const [LEFT, RIGHT] = [24, 456];

const text = (x: number, y: number, words: string, color: string, anchor = "start"): string =>
  `<text x="${x}" y="${y}" fill="${color}" text-anchor="${anchor}">${words}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, color: string, width = 2): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${color}" stroke-width="${width}"/>`;
const dot = (x: number, y: number, color: string, radius = 5): string =>
  `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" fill="${color}"/>`;
const bar = (x: number, y: number, width: number, height: number, style: string): string =>
  `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" ${style}/>`;

const nearest = (value: number, levels: readonly number[]): number => {
  let best = levels[0] ?? 0;
  for (const level of levels) if (Math.abs(level - value) < Math.abs(best - value)) best = level;
  return best;
};

/** Levels at equal distances. */
const grid = (count: number, from: number, to: number): number[] =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));

type Drawing = (palette: Palette) => { readonly height: number; readonly parts: readonly string[] };

/** The same weights on 4, 8 and 16 levels. */
const bits: Drawing = ({ text: ink, line: grey, stored, error }) => {
  const weights = [-0.83, -0.41, -0.07, 0.22, 0.64];
  const at = (value: number): number => LEFT + ((value + 1) / 2) * (RIGHT - LEFT);
  const parts = [2, 3, 4].flatMap((width, row) => {
    const y = 62 + row * 86;
    const levels = grid(2 ** width, -1, 1);
    return [
      text(LEFT, y - 34, `${width} bits: ${levels.length} levels`, ink),
      line(LEFT, y, RIGHT, y, grey, 1),
      ...levels.map((level) => line(at(level), y - 9, at(level), y + 9, stored)),
      ...weights.flatMap((weight) => [
        line(at(weight), y - 14, at(nearest(weight, levels)), y - 14, error, 5),
        dot(at(weight), y - 14, ink),
      ]),
    ];
  });
  return { height: 260, parts };
};

/** A row of weights with one scale, and with a scale for each half. */
const groups: Drawing = ({ text: ink, line: grey, stored, error }) => {
  const weights = [0.9, -0.6, 0.4, 1.1, -1.0, 0.7, -0.3, 0.8, 3.1, -2.2, 6.8, -4.1, 2.6, -5.3, 3.7, 1.9];
  const step = (RIGHT - LEFT) / weights.length;
  const unit = 9;
  const rows = [
    { title: "One scale for all 16 weights", size: 16 },
    { title: "Groups of 8: a scale for each group", size: 8 },
  ];
  const parts = rows.flatMap(({ title, size }, row) => {
    const middle = 100 + row * 190;
    const drawn = [text(LEFT, middle - 74, title, ink)];
    for (let start = 0; start < weights.length; start += size) {
      const group = weights.slice(start, start + size);
      const scale = group.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 3;
      // codes of 3 bits: -3 to 3 times the scale
      const levels = grid(7, -3 * scale, 3 * scale);
      const [from, to] = [LEFT + start * step, LEFT + (start + size) * step - 6];
      for (const level of levels)
        drawn.push(line(from, middle - level * unit, to, middle - level * unit, grey, 1));
      for (const [index, weight] of group.entries()) {
        const x = from + (index + 0.5) * step - 3;
        const rounded = nearest(weight, levels);
        drawn.push(
          line(x, middle - weight * unit, x, middle - rounded * unit, error, 4),
          dot(x, middle - weight * unit, ink, 3),
          dot(x, middle - rounded * unit, stored, 3),
        );
      }
    }
    return drawn;
  });
  return { height: 370, parts };
};

/** Levels of the source above, levels of the target below. */
const fidelity: Drawing = ({ text: ink, line: grey, stored, error }) => {
  const source = grid(9, 0, 1);
  const rows = [
    { title: "exact: the target has the same levels", target: source },
    {
      title: "rounded: the same codes, levels moved a little",
      target: source.map((level) => level * 0.982 + 0.004),
    },
    { title: "requantized: other levels, the nearest is taken", target: grid(7, 0.02, 0.98) },
  ];
  const at = (value: number): number => LEFT + 6 + value * (RIGHT - LEFT - 12);
  const parts = rows.flatMap(({ title, target }, row) => {
    const y = 46 + row * 104;
    const moves = source.map((level) => {
      const to = nearest(level, target);
      const isSame = Math.abs(to - level) < 1e-9;
      return line(at(level), y + 10, at(to), y + 38, isSame ? stored : error, isSame ? 2 : 3);
    });
    return [
      text(LEFT, y - 18, title, ink),
      line(LEFT, y, RIGHT, y, grey, 1),
      line(LEFT, y + 48, RIGHT, y + 48, grey, 1),
      ...source.map((level) => line(at(level), y - 8, at(level), y + 8, ink)),
      ...target.map((level) => line(at(level), y + 40, at(level), y + 56, stored)),
      ...moves,
    ];
  });
  return { height: 326, parts };
};

/** The example of the page on calibration: two weights, two inputs, levels at multiples of 0.2. */
export function calibrationExample(): {
  readonly weights: readonly [number, number];
  readonly inputs: readonly [number, number];
  readonly rows: readonly { readonly title: string; readonly codes: readonly [number, number] }[];
} {
  const inputs = [2, 1] as const;
  const weights = [0.28, 0.47] as const;
  const level = (value: number): number => Math.round(value / 0.2) / 5;
  const first = level(weights[0]);
  // what the first weight's error does to the output, made up for by the second one
  const moved = weights[1] + ((weights[0] - first) * inputs[0]) / inputs[1];
  return {
    inputs,
    weights,
    rows: [
      { title: "The original", codes: weights },
      { title: "Each weight rounded on its own", codes: [first, level(weights[1])] },
      { title: "The second makes up for the first", codes: [first, level(moved)] },
    ],
  };
}

const calibration: Drawing = ({ text: ink, line: grey, stored, error }) => {
  const { inputs, weights, rows } = calibrationExample();
  const unit = (RIGHT - LEFT - 60) / 1.1;
  const target = weights[0] * inputs[0] + weights[1] * inputs[1];
  const parts = rows.flatMap(({ title, codes }, row) => {
    const y = 44 + row * 88;
    const [one, two] = [codes[0] * inputs[0] * unit, codes[1] * inputs[1] * unit];
    const sum = codes[0] * inputs[0] + codes[1] * inputs[1];
    const isOriginal = row === 0;
    const color = isOriginal ? ink : stored;
    return [
      text(LEFT, y - 12, title, ink),
      bar(LEFT, y, one, 28, `fill="${color}"`),
      bar(LEFT + one + 2, y, two - 2, 28, `fill="${color}" opacity="0.6"`),
      text(LEFT + target * unit + 12, y + 20, sum.toFixed(2), isOriginal ? ink : error),
      text(
        LEFT,
        y + 46,
        `${inputs[0]} × ${codes[0].toFixed(2)}  +  ${inputs[1]} × ${codes[1].toFixed(2)}`,
        ink,
      ),
      bar(LEFT + sum * unit, y + 10, Math.abs(target - sum) * unit, 8, `fill="${error}"`),
    ];
  });
  const end = LEFT + target * unit;
  return { height: 276, parts: [line(end, 34, end, 256, grey, 1), ...parts] };
};

const drawings: Readonly<Record<string, { readonly title: string; readonly draw: Drawing }>> = {
  bits: { title: "Weights and their nearest levels", draw: bits },
  groups: { title: "One scale, and a scale for each group", draw: groups },
  fidelity: { title: "Levels of source and target", draw: fidelity },
  calibration: { title: "Two weights whose errors make up for each other", draw: calibration },
};

/** The pictures by file name. */
export function conceptPictures(): Map<string, string> {
  const pictures = new Map<string, string>();
  for (const [name, { title, draw }] of Object.entries(drawings)) {
    for (const [theme, palette] of Object.entries(palettes)) {
      const { height, parts } = draw(palette);
      const font = `font-family="system-ui, sans-serif" font-size="16"`;
      pictures.set(
        `${name}-${theme}.svg`,
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${font}>\n<title>${title}</title>\n${parts.join("\n")}\n</svg>\n`,
      );
    }
  }
  return pictures;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(folder, { recursive: true });
  for (const [name, picture] of conceptPictures()) writeFileSync(join(folder, name), picture);
}
