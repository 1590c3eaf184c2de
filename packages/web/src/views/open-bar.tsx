import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { inputFiles, requestsOf } from "../open/chosen-files.ts";
import { openAll } from "../state/models.ts";
import { strings } from "../strings.ts";

/** Where models come from: files, a folder, an address. Dropping is handled by the whole page. */
export function OpenBar(): JSX.Element {
  const id = useId();
  const [address, setAddress] = useState("");
  const text = strings.open;
  const choose = ({ currentTarget: input }: { readonly currentTarget: HTMLInputElement }): void => {
    if (input.files !== null) openAll(requestsOf(inputFiles(input.files)));
    // the same file can be chosen again
    input.value = "";
  };
  const openAddress = (event: Event): void => {
    event.preventDefault();
    if (address.trim() === "") return;
    openAll([{ kind: "address", text: address.trim() }]);
    setAddress("");
  };
  return (
    <div class="open-bar">
      <label class="button primary">
        {text.files}
        <input type="file" multiple class="hidden-input" aria-label={text.files} onChange={choose} />
      </label>
      <label class="button">
        {text.folder}
        <input
          type="file"
          multiple
          class="hidden-input"
          aria-label={text.folder}
          ref={(input) => {
            if (input !== null) input.webkitdirectory = true;
          }}
          onChange={choose}
        />
      </label>
      <form class="address" onSubmit={openAddress}>
        <label for={id}>{text.address}</label>
        <input
          id={id}
          type="text"
          inputMode="url"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder={text.addressHint}
          value={address}
          onInput={({ currentTarget }) => setAddress(currentTarget.value)}
        />
        <button type="submit">{text.openAddress}</button>
      </form>
    </div>
  );
}
