/** Requests about objects, repeated where a server is busy, with its refusals in words. */
import { LimitError, type UrlOptions } from "@requant/core";
import { HttpRequest, persist, TransientFault } from "@requant/core/http";
import { encodedKey, type S3Place } from "./address.ts";
import { s3Refusal, TRANSIENT_CODES } from "./refusals.ts";
import { elementText } from "./xml.ts";

/** What is asked about one object, or, without a key, about the bucket. */
export interface S3Asking {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string | number>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array<ArrayBuffer> | string | undefined;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body; empty for HEAD. */
  readonly text: string;
}

export interface S3Client {
  /** An object's URL, for people. */
  nameOf(key: string): string;
  /**
   * @param judge may throw a TransientFault to have the request repeated
   * @throws IoError for a refusal; its `reason` is the server's code
   */
  ask(asking: S3Asking, judge?: (answer: S3Answer) => void): Promise<S3Answer>;
}

/** Bytes of one answer: a page of parts has at most 1000 entries of some hundred bytes. */
const MOST_TEXT = 16 * 1024 * 1024;
const RETRIES = 5;
/** How a command is run again that can go on. */
export const WITH_RESUME = "run the same command with --resume";

/** @param again how the user goes on after a refusal */
export function s3Client(
  { bucketUrl, fetch }: S3Place,
  options: UrlOptions,
  again: string = WITH_RESUME,
): S3Client {
  const { signal: _, ...withoutSignal }: UrlOptions = options;
  const { retries = RETRIES } = options;
  const hint = `Check the connection, and ${again}.`;
  const nameOf = (key: string): string => (key === "" ? bucketUrl : `${bucketUrl}/${encodedKey(key)}`);
  return {
    nameOf,
    ask({ method, key = "", query = {}, headers = {}, body }, judge) {
      const name = nameOf(key);
      const words = Object.entries(query).map(([word, value]) => `${word}=${encodeURIComponent(value)}`);
      const url = words.length === 0 ? name : `${name}?${words.join("&")}`;
      // what is removed is also removed after an interruption
      const asking: UrlOptions = method === "DELETE" ? withoutSignal : options;
      const begin = (): HttpRequest => new HttpRequest(url, name, { ...asking, fetch });
      return persist(
        begin,
        async (request) => {
          const response = await request.ask({ method, headers, body, hint });
          const tooLong = new LimitError(`The server's answer has more than ${MOST_TEXT} bytes.`, {
            path: name,
            hint: "Check the address of the server (AWS_ENDPOINT_URL_S3).",
          });
          const text = await request.receiveText(response, MOST_TEXT, tooLong);
          const answer = { status: response.status, headers: response.headers, text };
          refuse(answer, name, again);
          judge?.(answer);
          return answer;
        },
        { signal: asking.signal, retries },
      );
    },
  };
}

/** An error may also stand in an answer with the status 200, which the server began before it was done. */
function refuse({ status, text }: S3Answer, name: string, again: string): void {
  const code = text.includes("<Error>") ? elementText(text, "Code") : undefined;
  if (status >= 200 && status < 300 && code === undefined) return;
  const error = s3Refusal({ path: name, status, code, message: elementText(text, "Message"), again });
  throw code !== undefined && TRANSIENT_CODES.has(code) ? new TransientFault(error) : error;
}
