/** Light and dark, no script, nothing from elsewhere: a page that may be kept, mailed and attached. */
const style = `
:root { color-scheme: light dark; --ink: #1c2330; --dim: #5b6675; --paper: #fff; --line: #d8dee6; --track: #f1f4f8;
  --done: #2f8f5b; --unchanged: #6f9f86; --warning: #c48a00; --failed: #c9372c; --running: #2f6fd0; --skipped: #9aa4b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --dim: #98a4b3; --paper: #12161c; --line: #2c3440; --track: #1b212a;
  --done: #4cb57d; --unchanged: #5c8a72; --warning: #e0a92e; --failed: #f0665b; --running: #66a0f5; --skipped: #66707e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
h1 small, h2 small { font-weight: normal; color: var(--dim); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .dim { fill: var(--dim); } svg .grid { stroke: var(--line); } svg .track { fill: var(--track); }
.done { fill: var(--done); } .unchanged { fill: var(--unchanged); } .warning { fill: var(--warning); } .failed { fill: var(--failed); }
.running { fill: var(--running); } .skipped { fill: var(--skipped); } .critical { stroke: var(--ink); stroke-width: 1.5; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line); }
th { color: var(--dim); font-weight: normal; border-top: 0; } td.number { text-align: right; white-space: nowrap; }
td, li, p { overflow-wrap: anywhere; } .dim { color: var(--dim); } b.done { color: var(--done); } b.warning { color: var(--warning); }
b.failed { color: var(--failed); } b.running { color: var(--running); } b.skipped, b.unchanged { color: var(--skipped); }
progress { width: 100%; }
`

export interface Page {
  title: string
  /** The page asks for itself again after so many seconds. */
  refreshSeconds?: number
  /** Of the one script that may run: `sha256` in base64. It does what `refreshSeconds` does without one. */
  scriptHash?: string
  /** HTML. */
  body: string
}

/** One self-contained document. It may load nothing, and run nothing but the script that is named, whatever its texts are. */
export function pageHtml({ title, refreshSeconds, scriptHash, body }: Page): string {
  const scripts =
    scriptHash === undefined ? '' : `; script-src 'sha256-${scriptHash}'; connect-src 'self'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'${scripts}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${refreshHtml(refreshSeconds, scriptHash)}<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`
}

function refreshHtml(seconds: number | undefined, scriptHash: string | undefined): string {
  if (seconds === undefined) return ''
  const refresh = `<meta http-equiv="refresh" content="${seconds}">`
  return `${scriptHash === undefined ? refresh : `<noscript>${refresh}</noscript>`}\n`
}

/** Text as it stands in HTML, also within an attribute's quotes. What no document may hold is left out. */
export function escapeHtml(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex -- what a command printed may hold any of them
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g, '')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  )
}
