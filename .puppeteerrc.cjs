// `npm ci` installs no browser: scripts/browser.ts finds one, or fetches one when a command first needs it.
module.exports = { skipDownload: true };
