/** The {@code quern} command. */
@SuppressWarnings("requires-automatic")
module io.quern.cli {
  requires info.picocli;
  requires io.quern;
  requires io.quern.loader;
  requires io.quern.serve;
  requires io.quern.text;
  requires java.logging;
  requires jdk.management;
  requires me.tongfei.progressbar;
  requires static org.jspecify;

  opens io.quern.cli to
      info.picocli;
}
