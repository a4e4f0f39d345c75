/** The {@code quern} command. */
module io.quern.cli {
  requires info.picocli;
  requires io.quern;
  requires io.quern.loader;
  requires io.quern.serve;
  requires me.tongfei.progressbar;
  requires static org.jspecify;

  opens io.quern.cli to
      info.picocli;
}
