#!/usr/bin/env node
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// Compiling the command is most of a short run: from 22.8 on, Node keeps compiled code for the next time. In the user's own
// cache, because a folder that anybody can write is no place for code; where NODE_COMPILE_CACHE says, if it says anything;
// and nowhere under NODE_DISABLE_COMPILE_CACHE=1.
const { enableCompileCache } = module as { enableCompileCache?(folder: string): unknown };
const caches = process.env["XDG_CACHE_HOME"] ?? process.env["LOCALAPPDATA"] ?? join(homedir(), ".cache");
enableCompileCache?.(join(caches, "requant"));
await import("./command.ts");
