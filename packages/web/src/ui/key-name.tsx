import type { JSX } from "preact";

/** The name of a key, which breaks after dots and underscores where its column is narrow. */
export function KeyName({ name }: { readonly name: string }): JSX.Element {
  const parts = name.split(/(?<=[._])/);
  return (
    <code class="key-name">
      {parts.map((part, index) => (
        <>
          {index === 0 ? null : <wbr />}
          {part}
        </>
      ))}
    </code>
  );
}
