import { byteQuantity, countQuantity, duration } from "./quantity.ts";

const WIDTH = 24;
const INTERVAL_MS = 100;

/** What is counted: bytes, or something else that people know. */
export type Rate = (perSecond: number) => string;

export const bytesPerSecond: Rate = (rate) => `${byteQuantity(rate)}/s`;
export const tokensPerSecond: Rate = (rate) => `${countQuantity(rate)} tokens/s`;

/** A bar with speed and time left, on one line that rewrites itself. Silent where stderr is no terminal. */
export class ProgressBar {
  readonly #stream: { write(text: string): unknown };
  readonly #active: boolean;
  readonly #rate: Rate;
  readonly #started = Date.now();
  #drawn = 0;

  constructor(
    stream: { write(text: string): unknown; isTTY?: boolean | undefined },
    quiet: boolean,
    rate: Rate = bytesPerSecond,
  ) {
    this.#stream = stream;
    this.#rate = rate;
    this.#active = stream.isTTY === true && !quiet;
  }

  update(done: number, total: number): void {
    const now = Date.now();
    if (!this.#active || (now - this.#drawn < INTERVAL_MS && done < total)) return;
    this.#drawn = now;
    const seconds = Math.max(0.001, (now - this.#started) / 1000);
    const rate = done / seconds;
    const share = total === 0 ? 1 : done / total;
    const filled = Math.round(share * WIDTH);
    const left = rate > 0 ? duration((total - done) / rate) : "?";
    this.#stream.write(
      `\r\u001b[K${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${Math.floor(share * 100)} %  ${this.#rate(rate)}  ${left} left`,
    );
  }

  /** Takes the line away. */
  end(): void {
    if (this.#active && this.#drawn > 0) this.#stream.write("\r\u001b[K");
  }
}
