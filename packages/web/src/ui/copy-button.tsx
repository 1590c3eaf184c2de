import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { strings } from "../strings.ts";

interface CopyButtonProps {
  readonly text: string;
  /** Its accessible name. */
  readonly label: string;
}

const SHOWN_MS = 1500;

/** Copies a text, and says for a moment that it did. */
export function CopyButton({ text, label }: CopyButtonProps): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return (
    <button type="button" class="small" aria-label={label} onClick={() => void copy()}>
      {isCopied ? strings.metadata.copied : strings.metadata.copy}
    </button>
  );
}
