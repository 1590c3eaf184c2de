import theme from "vitepress/theme";
import "./requant.css";

export default theme;
