// The page's nonce. Only script can read it: the browser hides the attribute from selectors.
export const nonce = document.querySelector("script[nonce]")?.nonce ?? "";
