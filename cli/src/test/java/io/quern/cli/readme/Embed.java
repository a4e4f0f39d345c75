package io.quern.cli.readme;

import io.quern.text.TextEmbedder;
import java.util.List;

/** The example of embeddings. */
public final class Embed {
  private Embed() {}

  /** Embeds with the MiniLM model on the class path. */
  public static double run() {
    // README: embed
    TextEmbedder embedder =
        TextEmbedder.loadResources(
            Embed.class, "/all-minilm-l6-v2.onnx", "/all-minilm-l6-v2-tokenizer.json");
    float[] question = embedder.embed("How do I mend a bicycle?");
    float[][] answers = embedder.embed(List.of("Take off the wheel.", "Knead the dough."));
    for (float[] answer : answers) {
      System.out.println(TextEmbedder.similarity(question, answer));
    }
    // README: end
    return TextEmbedder.similarity(question, answers[0])
        - TextEmbedder.similarity(question, answers[1]);
  }
}
