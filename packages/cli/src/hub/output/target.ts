/** A place in a repository. */
export interface HubTarget {
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly repository: string;
  readonly branch: string;
  /** In the repository; with a slash at the end where it is not empty. */
  readonly folder: string;
  readonly isPrivate: boolean;
  /** Of this machine; undefined for one of Requant's own. */
  readonly stage: string | undefined;
  /** Of this machine: what is remembered of unfinished uploads. */
  readonly workFolder: string;
}
