-- Cuts `responses` by call_id. Two million responses are 58 to 78 GB.
-- Add partitions well ahead: a range that responses_rest already holds rows of can't be cut off it.
-- A refresh takes new call ids, as many as there are responses.
ALTER TABLE responses RENAME TO responses_1;
ALTER INDEX responses_pkey RENAME TO responses_1_pkey;
CREATE TABLE responses (LIKE responses_1 INCLUDING ALL, FOREIGN KEY (call_id) REFERENCES calls)
    PARTITION BY RANGE (call_id);
ALTER TABLE responses ATTACH PARTITION responses_1 FOR VALUES FROM (MINVALUE) TO (2000000);
CREATE TABLE responses_2 PARTITION OF responses FOR VALUES FROM (2000000) TO (4000000);
CREATE TABLE responses_3 PARTITION OF responses FOR VALUES FROM (4000000) TO (6000000); -- and so on
CREATE TABLE responses_rest PARTITION OF responses DEFAULT;
CREATE OR REPLACE VIEW calls_readable AS
    SELECT c.*, r.item_count, r.raw_bytes, r.stored_bytes, r.encoding
    FROM calls c LEFT JOIN responses r ON r.call_id = c.id;
