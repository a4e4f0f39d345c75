package io.quern.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.examples.SemanticSearch.Hit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SemanticSearchTest {
  private static final String TUBE = "Take the wheel off and patch the tube where air leaks out.";
  private static final String DOUGH = "Knead flour, water and yeast, and let it rise for an hour.";
  private static final String TIDE = "The moon pulls at the sea, which rises twice a day.";

  @Test
  void findsParagraphsByMeaning(@TempDir Path folder) throws IOException {
    Path home = folder.resolve("home.txt");
    Path sea = Files.createDirectories(folder.resolve("nature")).resolve("sea.md");
    Files.writeString(home, DOUGH + "\n\n" + TUBE.replace("and", "and\n") + "\n \n\n");
    Files.writeString(sea, TIDE);
    Files.writeString(folder.resolve("image.png"), TUBE);
    SemanticSearch search = SemanticSearch.index(SemanticSearch.miniLm(), folder);

    List<Hit> hits = search.search("How do I mend a puncture?", 2);
    assertThat(hits).hasSize(2).isSortedAccordingTo((a, b) -> Double.compare(b.score(), a.score()));
    assertThat(hits.getFirst().passage().file()).isEqualTo(home);
    assertThat(hits.getFirst().passage().text()).isEqualTo(TUBE);
    assertThat(best(search, "baking bread")).isEqualTo(DOUGH);
    assertThat(best(search, "Why is there ebb and flow?")).isEqualTo(TIDE);
    assertThat(search.search("anything", 10)).hasSize(3);
  }

  private static String best(SemanticSearch search, String question) {
    return search.search(question, 1).getFirst().passage().text();
  }

  @Test
  void emptyFolderHasNoHits(@TempDir Path folder) throws IOException {
    assertThat(SemanticSearch.index(SemanticSearch.miniLm(), folder).search("bread", 3)).isEmpty();
  }

  @Test
  void filesInOtherEncodingsAreLeftOut(@TempDir Path folder) throws IOException {
    Files.write(folder.resolve("latin.txt"), new byte[] {'b', 'r', (byte) 0xF6, 't'});
    Files.writeString(folder.resolve("utf.txt"), DOUGH);
    PrintStream before = System.err;
    ByteArrayOutputStream told = new ByteArrayOutputStream();
    System.setErr(new PrintStream(told, true, StandardCharsets.UTF_8));
    try {
      SemanticSearch search = SemanticSearch.index(SemanticSearch.miniLm(), folder);
      assertThat(search.search("bread", 3)).hasSize(1);
    } finally {
      System.setErr(before);
    }
    assertThat(told.toString(StandardCharsets.UTF_8))
        .contains("latin.txt is left out: it is not in UTF-8");
  }
}
