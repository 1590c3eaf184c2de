import type { Context } from "../context.ts";

/**
 * The context in which the model of a saved plan is opened: without the hub's cache, whose files have other versions than those
 * that another machine finds.
 */
export function sameEverywhere(context: Context): Context {
  return { ...context, options: { ...context.options, cache: false } };
}
