/** Imported first by every script: an old Node.js is told so in one sentence, instead of by a syntax error further on. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

// The first release where require() of an ES module needs no flag.
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Portcullis needs Node.js 20.19 or newer, and this is ${process.version} (${process.execPath}).`)
  process.exit(1)
}
