import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { OpenedModel } from "../host/methods/open.ts";
import type { Tokens as Found } from "../host/methods/tokens.ts";
import { strings } from "../strings.ts";
import { TextField } from "../ui/labelled.tsx";
import { Table } from "../ui/table.tsx";
import { useHost } from "../ui/use-host.ts";
import { Findings } from "./findings.tsx";

/** Text to tokens, and tokens to text. */
export function Tokens({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.tokens;
  const [written, setWritten] = useState("Hello, world");
  const [sought, setSought] = useState("");
  const id = useId();
  return (
    <div class="tokens">
      <section>
        <label for={id}>{text.text}</label>
        <p class="quiet small">{text.textHint}</p>
        <textarea
          id={id}
          rows={4}
          class="wide"
          value={written}
          onInput={({ currentTarget }) => setWritten(currentTarget.value)}
        />
        <Result
          name="tokensOfText"
          input={{ id: model.id, text: written }}
          summary={({ count }) => text.cut(count, [...written].length)}
        />
      </section>
      <section>
        <TextField
          type="search"
          label={text.find}
          placeholder={text.findHint}
          value={sought}
          onText={setSought}
        />
        {sought === "" ? null : (
          <Result
            name="findTokens"
            input={{ id: model.id, text: sought }}
            summary={({ count, vocabularySize }) => text.found(count, vocabularySize)}
          />
        )}
      </section>
    </div>
  );
}

interface ResultProps {
  readonly name: "tokensOfText" | "findTokens";
  readonly input: { readonly id: number; readonly text: string };
  summary(found: Found): string;
}

function Result({ name, input, summary }: ResultProps): JSX.Element {
  const text = strings.tokens;
  const answer = useHost(name, input);
  if (answer.kind === "waiting") return <p role="status">…</p>;
  if (answer.kind === "refused") return <Findings findings={[answer.refusal]} />;
  const { tokens, count } = answer.value;
  return (
    <>
      <p role="status">
        {summary(answer.value)} {count > tokens.length ? text.more(tokens.length) : ""}
      </p>
      <div class="token-list">
        <Table
          caption={text.result}
          columns={[
            { name: text.columns.id, isNumber: true },
            { name: text.columns.piece },
            { name: text.columns.text },
          ]}
          rows={tokens.map(({ id, piece, text: own }) => [
            id,
            <code key="piece">{piece ?? ""}</code>,
            <code key="text">{JSON.stringify(own)}</code>,
          ])}
        />
      </div>
    </>
  );
}
