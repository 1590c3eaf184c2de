/** The last check of a report: words of this machine and its user that must not be in it, wherever they came from. */
import { homedir, hostname, userInfo } from "node:os";

/** Names of variables whose values are secrets. */
const SECRET_NAME = /token|secret|passw|api_?key|access_?key|credential|auth/i;

/** Shorter words are parts of many others. */
const SHORTEST_NAME = 3;
const SHORTEST_SECRET = 6;

/** Accounts that say nothing of a person, and are words of models and programs. */
const COMMON_ACCOUNTS: readonly string[] = [
  "root",
  "user",
  "node",
  "admin",
  "runner",
  "ubuntu",
  "default",
  "model",
];

/** User, machine, folders, what the command was asked for, and secrets of the environment. */
export function personalWords(
  given: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const secrets = Object.entries(environment)
    .filter(([name, value = ""]) => SECRET_NAME.test(name) && value.length >= SHORTEST_SECRET)
    .map(([, value = ""]) => value);
  const names = [userName(), environment["USER"] ?? "", environment["USERNAME"] ?? "", hostname()].filter(
    (name) => name.length >= SHORTEST_NAME && !COMMON_ACCOUNTS.includes(name.toLowerCase()),
  );
  // a plain word, such as "model", is a word of the report, too
  const folders = [homedir(), process.cwd(), ...given].filter(
    (path) => path.length > SHORTEST_NAME && /[/\\:@.]/.test(path),
  );
  return [...new Set([...secrets, ...folders, ...names])].sort((a, b) => b.length - a.length);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // a user id without an account, as containers have it
    return "";
  }
}

/** The text without these words, in any case; a word inside a longer one counts. */
export function withoutWords(text: string, words: readonly string[]): string {
  return words.reduce(without, text);
}

/** A regular expression made of a foreign word would be slow for some words. */
function without(text: string, word: string): string {
  const [lower, wanted] = [text.toLowerCase(), word.toLowerCase()];
  // some letters have lower-case forms of another length; then only the exact spelling can be found by its place
  if (lower.length !== text.length) return text.replaceAll(word, REMOVED);
  const parts: string[] = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), REMOVED);
    from = at + wanted.length;
  }
  return parts.length === 0 ? text : parts.join("") + text.slice(from);
}

const REMOVED = "(removed)";
