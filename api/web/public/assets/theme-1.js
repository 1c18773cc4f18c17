// Runs before the first paint, so that a remembered theme does not flash. The page's policy allows no
// inline script, and a module would run too late.
try {
  const theme = localStorage.getItem("claw-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is denied: the system's theme it is.
}
