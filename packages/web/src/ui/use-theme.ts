import { useEffect, useState } from "preact/hooks";

/** Whether the page is dark now; a picture on a canvas must be painted again when that changes. */
export function useTheme(): "light" | "dark" {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = (): void => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return isDark ? "dark" : "light";
}
