/** One of the workers among which the run shares its work. */
import "@requant/convert/web-worker";
