import { byteQuantity, duration } from "./quantity.ts";

const WIDTH = 24;
const INTERVAL_MS = 100;

/** A bar with bytes per second and time left, on one line that rewrites itself. Silent where stderr is no terminal. */
export class ProgressBar {
  readonly #stream: { write(text: string): unknown };
  readonly #active: boolean;
  readonly #started = Date.now();
  #drawn = 0;

  constructor(stream: { write(text: string): unknown; isTTY?: boolean | undefined }, quiet: boolean) {
    this.#stream = stream;
    this.#active = stream.isTTY === true && !quiet;
  }

  update(doneBytes: number, totalBytes: number): void {
    const now = Date.now();
    if (!this.#active || (now - this.#drawn < INTERVAL_MS && doneBytes < totalBytes)) return;
    this.#drawn = now;
    const seconds = Math.max(0.001, (now - this.#started) / 1000);
    const rate = doneBytes / seconds;
    const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
    const filled = Math.round(share * WIDTH);
    const left = rate > 0 ? duration((totalBytes - doneBytes) / rate) : "?";
    this.#stream.write(
      `\r\u001b[K${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${Math.floor(share * 100)} %  ${byteQuantity(rate)}/s  ${left} left`,
    );
  }

  /** Takes the line away. */
  end(): void {
    if (this.#active && this.#drawn > 0) this.#stream.write("\r\u001b[K");
  }
}
