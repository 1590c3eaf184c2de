import type { S3Client } from "./client.ts";
import { elements, elementText } from "./xml.ts";

/** The names of the objects that begin with a prefix, without it, and have no further slash. */
export async function namesBelow(client: S3Client, prefix: string): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  for (;;) {
    const { text } = await client.ask({
      method: "GET",
      query: {
        "list-type": 2,
        prefix,
        delimiter: "/",
        ...(token === undefined ? {} : { "continuation-token": token }),
      },
    });
    for (const object of elements(text, "Contents")) {
      const key = elementText(object, "Key") ?? "";
      if (key.startsWith(prefix) && key.length > prefix.length) names.push(key.slice(prefix.length));
    }
    const next = elementText(text, "NextContinuationToken");
    if (elementText(text, "IsTruncated") !== "true" || next === undefined || next === token) return names;
    token = next;
  }
}
