#!/usr/bin/env node
import { main } from "./main.ts";

main(process.argv.slice(2), { out: process.stdout, err: process.stderr }).then((status) => {
  process.exitCode = status;
});
