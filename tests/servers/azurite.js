// Loaded into Azurite before it starts (node --require). Its clock is read from the file CLOCK_FILE, JSON of a Wall:
// {"at": epoch seconds or null, "ahead": seconds}. It ends with stdin: with who started it, however that ended.
const { readFileSync } = require("node:fs");
const Real = Date;

function now() {
  const { at, ahead } = JSON.parse(readFileSync(process.env.CLOCK_FILE, "utf8"));
  return (at === null ? Real.now() : at * 1000) + ahead * 1000;
}

globalThis.Date = class extends Real {
  constructor(...given) {
    super(...(given.length === 0 ? [now()] : given));
  }

  static now() {
    return now();
  }
};

process.stdin.on("end", () => process.exit()).resume();
