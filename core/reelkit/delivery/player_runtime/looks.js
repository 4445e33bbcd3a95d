// The theme of a player: its colours become custom properties that any player may use, its logo stands in a corner.

const dashed = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** theme: {colours: {text: "rgba(…)", trackPlayed: …}, logo, logoLink}, or nothing. */
export function dress(page, theme) {
  if (!theme) return;
  for (const [name, colour] of Object.entries(theme.colours)) page.style.setProperty(`--reelkit-${dashed(name)}`, colour);
  if (theme.logo) document.body.append(logo(theme));
}

function logo({ logo: source, logoLink: address }) {
  const corner = document.createElement(address ? "a" : "div");
  corner.className = "logo";
  if (address) Object.assign(corner, { href: address, target: "_blank", rel: "noopener" });
  corner.append(Object.assign(document.createElement("img"), { src: source, alt: address ? new URL(address).hostname : "" }));
  return corner;
}
