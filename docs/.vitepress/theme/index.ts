import theme from "vitepress/theme";
import StartPage from "./StartPage.vue";
import "./requant.css";

export default {
  extends: theme,
  // the theme's own start page has no landmark for its content
  enhanceApp: ({ app }: { app: { component(name: string, page: unknown): void } }): void =>
    app.component("start", StartPage),
};
