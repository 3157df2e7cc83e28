-- Who rated which template: the averages of templates are folded from these rows.

CREATE TABLE template_ratings (
  template_id UUID NOT NULL REFERENCES templates(id) ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  stars SMALLINT NOT NULL,
  rated_at TIMESTAMP NOT NULL,

  CONSTRAINT template_ratings_pkey PRIMARY KEY (template_id, user_id),
  CONSTRAINT template_ratings_stars_check CHECK (stars BETWEEN 1 AND 5)
);
COMMENT ON TABLE template_ratings IS
  'One rating a user and template: who rates again changes it. rating_average and rating_count are computed from all of '
  'them, so that they are exact however often one is changed.';
