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
