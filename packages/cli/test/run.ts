import { main } from "../src/main.ts";

export interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** One command line, as a script would see it. */
export async function requant(...argv: string[]): Promise<Result> {
  let out = "";
  let err = "";
  const status = await main(argv, {
    out: {
      write: (text) => {
        out += text;
      },
    },
    err: {
      write: (text) => {
        err += text;
      },
    },
  });
  return { status, out, err };
}

/** A terminal whose person presses Ctrl-C when the progress bar shows so much. */
export async function interrupted(share: number, ...argv: string[]): Promise<Omit<Result, "out">> {
  let err = "";
  const status = await main(argv, {
    out: { write: () => {} },
    err: {
      isTTY: true,
      write(written) {
        err += written;
        const [, percent] = /(\d+) % {2}/.exec(written) ?? [];
        if (Number(percent) >= share) process.emit("SIGINT");
      },
    },
  });
  return { status, err };
}
