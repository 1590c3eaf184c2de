/** A worker of a conversion: it reads parts of the model, and makes parts of the output. */
import "@requant/convert/web-worker";
