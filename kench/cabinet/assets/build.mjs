// Bundles what stands beside this file into ../web/static: each *.js with all that it imports,
// the stylesheet, the pictures. The digest of a file is in its name; manifest.json says which name
// is whose. The same sources give the same bytes.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "web", "static");
const fresh = `${target}.new`;
const kinds = new Set([".js", ".css", ".svg"]);
const sources = readdirSync(here).filter((name) => kinds.has(extname(name))).sort();

const built = await build({
  absWorkingDir: here,
  entryPoints: sources,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome110", "firefox115", "safari16"],
  charset: "utf8",
  legalComments: "eof",
  loader: { ".svg": "copy" },
  outdir: fresh,
  write: false,
  logLevel: "warning",
});

rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });
const manifest = {};
for (const { path, contents } of built.outputFiles) {
  const plain = basename(path);
  const digest = createHash("sha256").update(contents).digest("hex").slice(0, 16);
  const dot = plain.indexOf(".");
  manifest[plain] = `${plain.slice(0, dot)}-${digest}${plain.slice(dot)}`;
  writeFileSync(join(fresh, manifest[plain]), contents);
}
writeFileSync(join(fresh, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
