import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { refusalFrom } from "../../host/client.ts";
import type { Converted } from "../../host/methods/convert.ts";
import type { Refusal } from "../../host/protocol.ts";
import type { WorkProgress } from "../../host/watched.ts";
import type { Conversion, DigestState } from "../../state/conversion.ts";
import { outputNamed } from "../../state/stored-outputs.ts";
import { saveFile, saveFiles } from "../../storage/save-file.ts";
import { strings } from "../../strings.ts";
import { byteQuantity, duration } from "../../ui/quantity.ts";
import { Findings } from "../findings.tsx";

/** How far the conversion is, and what it made. */
export function Run({ conversion }: { readonly conversion: Conversion }): JSX.Element | null {
  const text = strings.convert.run;
  const run = conversion.run.value;
  if (run.kind === "none") return null;
  return (
    <section aria-label={text.title} class="run">
      {run.kind === "running" ? <Progress progress={run.progress} /> : null}
      {run.kind === "stopped" ? <p role="status">{run.isKept ? text.stoppedKept : text.stopped}</p> : null}
      {run.kind === "refused" ? <Findings findings={[run.refusal]} /> : null}
      {run.kind === "done" ? (
        <Done
          converted={run.converted}
          digest={conversion.digest.value}
          folder={run.place.kind === "folder" ? run.place.handle.name : undefined}
        />
      ) : null}
    </section>
  );
}

function Progress({ progress }: { readonly progress: WorkProgress | undefined }): JSX.Element {
  const text = strings.convert.run;
  if (progress === undefined) return <p role="status">{text.starting}</p>;
  const { phase, tensor, file, done, total, speed, secondsLeft } = progress;
  const share = total === 0 ? 1 : done / total;
  return (
    <>
      <progress value={share} aria-label={text.phases[phase]} />
      <p class="figures-line">
        <strong>{text.phases[phase]}</strong> <span>{Math.floor(share * 100)} %</span>{" "}
        <span>{text.speed(byteQuantity(speed))}</span>{" "}
        {secondsLeft === undefined ? null : <span>{text.left(duration(secondsLeft))}</span>}{" "}
        <code class="quiet">{tensor ?? file}</code>
      </p>
    </>
  );
}

interface DoneProps {
  readonly converted: Converted;
  readonly digest: DigestState;
  /** Undefined for the browser's own storage. */
  readonly folder: string | undefined;
}

function Done({ converted, digest, folder }: DoneProps): JSX.Element {
  const text = strings.convert.run;
  const { report, findings, name } = converted;
  const { files } = report.target;
  const size = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const inStorage = outputNamed(name)?.files ?? [];
  return (
    <>
      <h3>{text.doneTitle}</h3>
      <p>
        <strong>{name}</strong> {text.done(byteQuantity(size), duration(report.seconds ?? 0))}
      </p>
      <Digest state={digest} files={files} />
      {folder === undefined ? (
        <div class="row">
          {inStorage.length === 1 && inStorage[0] !== undefined ? (
            <SaveButton files={inStorage} label={text.save(inStorage[0].name)} />
          ) : (
            <SaveButton files={inStorage} label={text.saveAll} />
          )}
        </div>
      ) : (
        <p>{text.inFolder(folder)}</p>
      )}
      {findings.length === 0 ? null : <Findings findings={findings} />}
    </>
  );
}

interface DigestProps {
  readonly state: DigestState;
  readonly files: Converted["report"]["target"]["files"];
}

/** What `sha256sum` prints. */
function Digest({ state, files }: DigestProps): JSX.Element | null {
  const label = strings.convert.run.digest;
  if (state.kind === "none") return null;
  if (state.kind === "running") return <Progress progress={state.progress} />;
  if (state.kind === "refused") return <Findings findings={[state.refusal]} />;
  const { digests } = state;
  return (
    <>
      <p class="quiet small" aria-hidden="true">
        {label}
      </p>
      <output class="digest" aria-label={label}>
        {files.length === 1 ? digests[0] : files.map(({ name }, i) => `${digests[i]}  ${name}`).join("\n")}
      </output>
    </>
  );
}

interface SaveButtonProps {
  readonly files: readonly File[];
  readonly label: string;
  readonly children?: ComponentChildren;
}

export function SaveButton({ files, label, children }: SaveButtonProps): JSX.Element {
  const [first, second] = files;
  const [refusal, setRefusal] = useState<Refusal | undefined>(undefined);
  const save = async (): Promise<void> => {
    if (first === undefined) return;
    setRefusal(undefined);
    try {
      await (second === undefined ? saveFile(first) : saveFiles(files));
    } catch (error) {
      setRefusal(refusalFrom(error));
    }
  };
  return (
    <>
      <button type="button" aria-label={label} disabled={first === undefined} onClick={() => void save()}>
        {children ?? label}
      </button>
      {refusal === undefined ? null : <span role="alert">{refusal.message}</span>}
    </>
  );
}
