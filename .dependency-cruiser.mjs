/** The allowed dependencies (CONTRIBUTING, "Dependencies"). */
const linear =
  "(gptq|awq|exl2|compressed-tensors|float8|mlx|mxfp|bitsandbytes|bitnet|eetq|hqq|quanto|torchao)";

/** Arithmetic in TypeScript alone, which the kernels' twins are compared with. */
const reference = [
  "^packages/core/src/(view|numeric|bits|solve)/",
  "^packages/gguf/src/(types|grid|view)/",
  "^packages/awq/src/order\\.ts$",
  "^packages/bitsandbytes/src/nibble-blocks\\.ts$",
  "^packages/mxfp/src/pairs\\.ts$",
  "^packages/convert/src/run/(checksum|comparison|error-meter)\\.ts$",
];

/** The layers of packages/convert/src, from the bottom up. */
const layers = ["model", "plan", "run", "measure", "compare", "examine", "edit"];

export default {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "declared-dependencies-only",
      comment: "a package that is not in package.json does not resolve",
      severity: "error",
      from: { pathNot: "/generated/" },
      to: { couldNotResolve: true, pathNot: "/generated/" },
    },
    {
      name: "core-knows-nobody",
      severity: "error",
      from: { path: "^packages/core/src" },
      to: { path: "^packages/(?!core/)" },
    },
    {
      name: "formats-know-core-only",
      comment: "formats never import each other; the linear formats may use safetensors",
      severity: "error",
      from: { path: "^packages/(safetensors|gguf|models)/src" },
      to: { path: "^packages/(?!core/)", pathNot: "^packages/$1/" },
    },
    {
      name: "linear-formats-know-core-and-safetensors",
      severity: "error",
      from: { path: `^packages/${linear}/src` },
      to: { path: "^packages/(?!core/|safetensors/)", pathNot: "^packages/$1/" },
    },
    {
      name: "calibrate-knows-core-models-and-safetensors",
      severity: "error",
      from: { path: "^packages/calibrate/src" },
      to: { path: "^packages/(?!core/|models/|safetensors/|calibrate/)" },
    },
    {
      name: "calibration-text-knows-nobody",
      severity: "error",
      from: { path: "^packages/calibration-text/src" },
      to: { path: "^packages/", pathNot: "^packages/calibration-text/" },
    },
    {
      name: "convert-does-not-know-cli",
      severity: "error",
      from: { path: "^packages/convert/src" },
      to: { path: "^packages/cli/" },
    },
    ...layers.map((layer, index) => ({
      name: `convert-${layer}-imports-downwards`,
      comment:
        "layers of convert import only from those below: model, plan, run, measure, compare, examine, edit",
      severity: "error",
      from: { path: `^packages/convert/src/${layer}/` },
      to: { path: `^packages/convert/src/(${[...layers.slice(index + 1), "index\\.ts"].join("|")})` },
    })),
    {
      name: "node-only-at-the-edge",
      severity: "error",
      from: {
        path: "^packages/[^/]+/src",
        pathNot: [
          "^packages/core/src/io/node/",
          "^packages/convert/src/run/workers/",
          "^packages/calibrate/src/compute/node(-thread)?\\.ts$",
          "^packages/cli/src/",
        ],
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "hub-loads-when-used",
      comment: "a command that reads a local path loads nothing of the hub or of other stores: import() only",
      severity: "error",
      from: { path: "^packages/cli/src/", pathNot: "^packages/cli/src/(hub|local|s3)/" },
      to: {
        path: "^packages/(cli/src/(hub|local|s3)/|core/src/io/hub/)",
        dynamic: false,
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "fleet-knows-convert-and-core",
      severity: "error",
      from: { path: "^packages/fleet/src" },
      to: { path: "^packages/(?!fleet/|convert/|core/)" },
    },
    {
      name: "libraries-know-no-fleet",
      severity: "error",
      from: { path: "^packages/(?!fleet/|cli/)[^/]+/src" },
      to: { path: "^packages/fleet/" },
    },
    {
      name: "fleet-loads-when-used",
      comment: "only the commands of a fleet load the library of Redis: import() only",
      severity: "error",
      from: {
        path: "^packages/cli/src/",
        pathNot: "^packages/cli/src/fleet/(submit|work|status|remove|part-process)\\.ts$",
      },
      to: {
        path: "^packages/(cli/src/fleet/(submit|work|status|remove|part-process)\\.ts|fleet/)",
        dynamic: false,
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "sources-know-no-commands",
      severity: "error",
      from: { path: "^packages/cli/src/(hub|local|s3)/" },
      to: { path: "^packages/cli/src/commands/" },
    },
    {
      name: "arithmetic-knows-no-io",
      severity: "error",
      from: { path: "^packages/[^/]+/src/(types/|view/|numeric/|bits/|(codec|layout)\\.ts$)" },
      to: { path: "^packages/[^/]+/src/(io/|reader\\.ts|writer\\.ts)" },
    },
    {
      name: "reference-knows-no-kernels",
      comment: "a twin in kernels/ wraps the reference, and an index.ts exports the twin",
      severity: "error",
      from: { path: reference, pathNot: "/index\\.ts$" },
      to: {
        path: [
          "^packages/[^/]+/src/(kernels|generated)/",
          "-twin\\.ts$",
          "^packages/convert/src/model/kernels\\.ts$",
        ],
      },
    },
    {
      name: "only-twins-call-kernels",
      comment: "outside kernels/, a package's kernels are used by way of their twins",
      severity: "error",
      from: {
        path: "^packages/[^/]+/src/",
        pathNot: ["^packages/[^/]+/src/kernels/", "-twin\\.ts$", "^packages/convert/src/model/kernels\\.ts$"],
      },
      to: {
        path: [
          "^packages/(core|gguf|awq|bitsandbytes|convert)/src/generated/",
          "^packages/(gguf|awq|bitsandbytes)/src/kernels/(?!.*-twin\\.ts$)",
          "^packages/core/src/kernels/(?!.*-twin\\.ts$|index\\.ts$)",
          "^packages/convert/src/model/kernels\\.ts$",
        ],
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules|dist" },
    exclude: { path: "(^|/)(dist|node_modules|test|bench|assembly)(/|$)" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ["@requant/source", "import", "types", "default"],
      exportsFields: ["exports"],
    },
  },
};
