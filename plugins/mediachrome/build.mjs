// Bundles the player into reelkit_mediachrome/static/: player.js, one file a language, player.css, each with a .br beside it.
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "reelkit_mediachrome", "static");

// hls.js is built from its sources, so that what reelkit never serves (DRM, ad breaks, CMCD …) can be left out.
const features = {
  ALT_AUDIO: true,
  SUBTITLES: true,
  MEDIA_CAPABILITIES: true,
  CMCD: false,
  CONTENT_STEERING: false,
  EME_DRM: false,
  IFRAMES: false,
  INTERSTITIALS: false,
  M2TS_ADVANCED_CODECS: false,
  VARIABLE_SUBSTITUTION: false,
};

const hlsSources = {
  name: "hls-sources",
  setup(bundle) {
    bundle.onResolve({ filter: /^hls\.js$/ }, () => ({ path: join(here, "node_modules/hls.js/src/exports-default.ts") }));
  },
};

// media-chrome writes <style> into shadow roots; a strict Content-Security-Policy lets those in by their nonce only.
const styleNonce = {
  name: "style-nonce",
  setup(bundle) {
    bundle.onLoad({ filter: /media-chrome[\\/]dist[\\/].*\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const marked = source.replaceAll(/<style(?=[\s>])/g, '<style nonce="${reelkitNonce}"');
      if (marked === source) return { contents: source, loader: "js" };
      if (/^[^`]*<style/.test(source)) throw new Error(`${path}: a <style> outside a template literal`);
      return { contents: `import { nonce as reelkitNonce } from ${JSON.stringify(join(here, "src/nonce.js"))};\n${marked}`, loader: "js" };
    });
  },
};

const version = JSON.parse(await readFile(join(here, "node_modules/hls.js/package.json"), "utf8")).version;
const define = { __VERSION__: JSON.stringify(version) };
for (const [name, wanted] of Object.entries(features)) define[`__USE_${name}__`] = String(wanted);

await rm(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/player.js", "src/player.css"],
  outdir: out,
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  target: "es2020",
  conditions: ["production"],
  chunkNames: "[name]-[hash]",
  legalComments: "none",
  tsconfigRaw: { compilerOptions: { target: "es2020", useDefineForClassFields: false } },
  define,
  metafile: true,
  plugins: [hlsSources, styleNonce],
  logLevel: "warning",
});

const parts = new Set();
for (const output of Object.values(metafile.outputs)) {
  for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
    const part = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
    if (part && bytesInOutput) parts.add(part);
  }
}
const licences = [];
for (const part of [...parts].sort()) {
  const folder = join(here, "node_modules", part);
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  licences.push(`${part} ${version} (${license})\n\n${file ? await readFile(join(folder, file), "utf8") : ""}`);
}
await writeFile(join(out, "LICENSES.txt"), licences.join("\n\n"));
if (process.env.SIZES) await writeFile("sizes.json", JSON.stringify(metafile));

for (const name of await readdir(out)) {
  if (!/\.(js|css)$/.test(name)) continue;
  const body = await readFile(join(out, name));
  const packed = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  await writeFile(join(out, `${name}.br`), packed);
}
