import type { Finding } from "@requant/core";
import type { JSX } from "preact";
import { strings } from "../strings.ts";
import { withOptionNames } from "../ui/option-names.ts";

/** What a person should know, each with what to do about it. */
export function Findings({ findings }: { readonly findings: readonly Finding[] }): JSX.Element {
  const text = strings.overview;
  if (findings.length === 0) return <p class="quiet">{text.noFindings}</p>;
  return (
    <ul class="findings" aria-label={text.findings}>
      {findings.map((finding, index) => (
        <FindingItem key={`${finding.code} ${String(index)}`} finding={finding} />
      ))}
    </ul>
  );
}

function FindingItem({ finding }: { readonly finding: Finding }): JSX.Element {
  const { severity, code, message, hint, path, tensor, key, offset } = finding;
  const place = [path, tensor, key, offset === undefined ? undefined : `byte ${String(offset)}`].filter(
    (part) => part !== undefined,
  );
  return (
    <li class={`finding ${severity}`}>
      <p>
        <strong class="badge">{strings.findings.severity[severity]}</strong> {withOptionNames(message)}{" "}
        <code class="quiet">{code}</code>
      </p>
      {place.length === 0 ? null : (
        <p class="quiet">
          {strings.findings.at} <code>{place.join(", ")}</code>
        </p>
      )}
      {hint === undefined ? null : (
        <p>
          {strings.findings.remedy}: {withOptionNames(hint)}
        </p>
      )}
    </li>
  );
}
